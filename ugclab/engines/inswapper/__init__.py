"""The engine `inswapper`: InsightFace's network draws the face, 128 px wide, where the mesh's tracking finds it."""
