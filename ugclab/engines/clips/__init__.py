"""What engines share that generate whole clips: times, crops, masks, colour, and the way back into the frames."""
