"""Measurements that the README states; `make bench` prints them."""
