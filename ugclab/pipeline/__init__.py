"""From a request to a stitched file: the steps, and doing them."""
