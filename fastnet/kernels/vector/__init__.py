"""Work on whole vector registers: the language (emit), the micro-kernels written in it, and their library."""
