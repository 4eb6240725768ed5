"""What the scripts share, in layers; imports go downwards only:

commands (what happens in which order) > reports (how answers are shown) > probes (questions asked of the
running stack) > parts (Foundry, relay, engine, images, containers) > settings > tools (subprocess, Docker SDK).
"""
