"""Plane geometry: angles, rigid transforms, oriented boxes, polylines. Numpy only, float64 in."""
