"""The counted cost of a message, held by thresholds: see `infra/cost/check`."""
