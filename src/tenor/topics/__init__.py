"""What a user's own news is about: topics from the embeddings of its items, named by their own words.

`tenor.topics.model` reads and assigns topics with NumPy alone; `tenor.topics.fitting` needs scikit-learn.
"""
