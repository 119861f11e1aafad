"""What the user's own news is about: topics found from the embeddings of its items, named by their typical words.

`tenor.topics.model` reads and assigns topics and needs only NumPy; `tenor.topics.fitting` needs scikit-learn.
"""
