"""A capacity and cost model of Connect on AWS: see `infra/capacity/model --help`."""
