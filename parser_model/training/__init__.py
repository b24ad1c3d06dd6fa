"""Training and scoring of parsers on folders of images and masks."""
