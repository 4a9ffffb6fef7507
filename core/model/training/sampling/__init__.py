"""From objects in memory to batches of tensors: views, frames, augmentation.

``placement`` chooses views and puts an object into the network's frame, ``augmentation`` varies it,
``batches`` draws labeled points and stacks samples. Everything is a function of seed and step.
"""
