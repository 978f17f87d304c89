"""The embedded face swap: a 3-D face mesh warped from the avatar onto the footage, on a CPU."""
