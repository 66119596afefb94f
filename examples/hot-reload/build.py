"""Make data/page.html of site/: what a bundler would do."""

from pathlib import Path
from string import Template

HERE = Path(__file__).parent
page = Template((HERE / "site" / "page.html").read_text())
style = (HERE / "site" / "style.css").read_text()
made = page.safe_substitute(style=style)
(HERE / "data").mkdir(exist_ok=True)
(HERE / "data" / "page.html").write_text(made)
print(f"built data/page.html, {len(made)} bytes")
