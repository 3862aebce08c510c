"""One loop for all training: `fastnet.train` and the estimators of fastnet.sklearn are guides of it.

batches : how an epoch falls into batches, and what each row weighs.
loop : epochs of groups of steps. A Guide decides on the order of rows, the coefficients and the end.
course : the Guide of `fastnet.train`.
stopping : when a figure has stopped getting better.
weights : class weights and sample weights as one number per row.
arguments : checks of what is given to `fastnet.train`.
"""
