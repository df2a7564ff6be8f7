"""How sensors see: learned appearance of camera and lidar, its provenance and its watermark."""
