"""What `fastnet bench` and scripts/bench share: cases, interleaved timing, the machine's FMA peak and its load."""
