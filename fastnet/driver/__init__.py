"""One loop for all training: `fastnet.train` and the estimators of fastnet.sklearn are guides of it.

batches : how an epoch falls into batches, and what each row weighs.
loop : epochs of groups of steps. A Guide decides on the order of rows, the coefficients and the end.
run : one run of `fastnet.train`, its arguments checked. course : its Guide. steering : its settings but the engine's.
stopping : when a figure has stopped getting better.
weights : class weights and sample weights as one number per row.
state, recording, fingerprint : the state of a run, its settings and its data, as a checkpoint holds them.
"""
