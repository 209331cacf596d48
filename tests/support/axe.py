"""axe-core, the rules for pages that everybody can use, applied to a page as it is at the moment."""

from __future__ import annotations

from importlib.resources import files

from playwright.async_api import Page

SCRIPT = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
CONTRAST = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}

RUN = """
async (options) => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"], ...options });
  return violations.flatMap(({ id, impact, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${impact} ${id}: ${html.slice(0, 200)} ${failureSummary}`));
}
"""


async def violations(page: Page, options: dict[str, object] = RULES) -> list[str]:
    """One line for each element that breaks a rule. No policy of the page stops what the browser's tools evaluate."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(SCRIPT)
    return list(await page.evaluate(RUN, options))
