from ugclab.entrypoints.ui import build_app

build_app().launch()
