"""The image: that it is in the account's ECR, and for the architecture of the tasks."""

from __future__ import annotations

import json
from typing import Any

from .cli import Aws, Failure, Refused, say

_PLATFORMS = {"ARM64": "linux/arm64", "X86_64": "linux/amd64"}
_MEDIA_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)


def require_image(aws: Aws, image: str, architecture: str) -> None:
    """Ends if there is no such image, or if it is for another architecture."""
    if "@" in image:
        repository, _, digest = image.partition("@")
        identity = f"imageDigest={digest}"
    else:
        repository, _, tag = image.partition(":")
        identity = f"imageTag={tag}"
    try:
        aws.ask("ecr", "describe-images", "--repository-name", repository, "--image-ids", identity)
    except Refused as refused:
        raise Failure(
            f"there is no image {image} in the ECR of this account and {aws.region}, or you may not see it "
            f"({refused}): push it first ('infra/aws/deploy --bootstrap' makes the repository)"
        ) from None
    wanted, found = _PLATFORMS[architecture], _platforms(aws, repository, identity)
    if not found:
        say(f"Not checked: whether the image {image} is for {wanted}. It is not an index of images, or you may "
            "not read it.")
    elif wanted not in found:
        raise Failure(
            f"the image {image} is for {' and '.join(found)}, and Architecture={architecture} needs {wanted}: "
            "change that, or push another image"
        )


def _platforms(aws: Aws, repository: str, identity: str) -> list[str]:
    """What the index of an image says that it is for. A single manifest does not, only the configuration
    that it names, and for that ECR would have to be asked as a registry."""
    try:
        answer = aws.ask(
            "ecr", "batch-get-image", "--repository-name", repository, "--image-ids", identity,
            "--accepted-media-types", *_MEDIA_TYPES,
        )
        manifest: dict[str, Any] = json.loads(answer["images"][0]["imageManifest"])
    except (Refused, ValueError, LookupError, TypeError):
        return []
    platforms = [image["platform"] for image in manifest.get("manifests", []) if "platform" in image]
    found = {"{os}/{architecture}".format(**platform) for platform in platforms}
    # Attestations are in an index as images of an unknown platform.
    return sorted(found - {"unknown/unknown"})
