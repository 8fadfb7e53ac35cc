"""What `infra/aws/deploy` and `infra/aws/inspect` do in an account, by the AWS CLI.

Standard library only, and Python 3.9: it runs where nothing else is installed.
"""
