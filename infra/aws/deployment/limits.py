"""Every limit and period of a deployment, with its unit."""

# `aws cloudformation deploy` waits for an hour, while CloudFormation goes on: for how much longer this
# waits, and how often it looks.
LONGEST_WAIT_SECONDS = 21600
LOOK_SECONDS = 60

# A change set takes seconds for each template that it nests.
CHANGE_SET_SECONDS = 900
CHANGE_SET_LOOK_SECONDS = 5

# CloudFormation takes no larger template in a call.
TEMPLATE_BYTES = 51200

# Of a resolver: how long it has for an answer, and how often it is asked.
DNS_SECONDS = 3.0
DNS_ATTEMPTS = 3
# Labels and pointers that a name is read by: more than one can have; beyond it an answer points in circles.
DNS_NAME_STEPS = 192

# What a failed service shows of its tasks: how many reasons at most, and how many tasks it asks for.
TASK_REASONS = 5
TASKS_DESCRIBED = 100

# A task of `inspect`: from the call to its end, and how often it looks. `--all` of a long list of dead
# letters takes minutes, starting it a minute.
INSPECT_SECONDS = 3600
INSPECT_LOOK_SECONDS = 6
# Of its log. A page is at most 10,000 lines or 1 MiB.
LOG_PAGES = 10000
# CloudWatch may show the last lines of a task later than ECS says that it ended.
LOG_SECONDS = 15
LOG_LOOK_SECONDS = 3

# A restore: for each of its steps, the longest of which makes a cluster of a snapshot, and how often it looks.
RESTORE_SECONDS = 14400
RESTORE_LOOK_SECONDS = 15
