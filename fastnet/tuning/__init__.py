"""The search for good settings: `fastnet.tune`.

The process that is called asks Optuna for settings, hands them to worker processes that train on one thread each, and
writes down what came of them. `space` is what is searched, `ledger` where trials are kept, `board` who draws settings
and prunes, `crew` and `worker` the processes, `search` the loop, `interface` what Python calls.
"""
