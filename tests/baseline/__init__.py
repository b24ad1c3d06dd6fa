"""A plain U-Net that is told the number of its target: what our recipe is compared with.

``python -m tests.baseline --data DIR --out FILE.json`` trains and scores it. Nothing of the bundled
network is in it: no words, no modality, no presence.
"""
