// Accessibility of what a page shows, as far as a program can tell: axe-core, in light and in dark.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const AXE_SOURCE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Rules that are not asked, each with its reason. */
const SWITCHED_OFF = [];

/**
 * Fails with what axe finds of impact serious or critical in `state`, which is what is said then.
 */
export async function accessible(page, state) {
  const found = [];
  for (const colorScheme of ["dark", "light"]) {
    await page.emulateMedia({ colorScheme });
    // Not by a <script>, which the page's policy refuses.
    if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(AXE_SOURCE);
    const violations = await page.evaluate(async (off) => {
      const rules = Object.fromEntries(off.map((rule) => [rule, { enabled: false }]));
      const results = await globalThis.axe.run(document, { rules, resultTypes: ["violations"] });
      return results.violations.map(({ id, impact, help, nodes }) => ({
        id,
        impact,
        help,
        where: nodes.slice(0, 5).map(({ html, failureSummary }) => `${html.slice(0, 200)}\n      ${failureSummary}`),
      }));
    }, SWITCHED_OFF);
    for (const { id, impact, help, where } of violations) {
      const text = `${state} (${colorScheme}): ${impact}: ${help} [${id}]\n    ${where.join("\n    ")}`;
      if (impact === "serious" || impact === "critical") found.push(text);
      else console.log(`axe, not counted: ${text}`);
    }
  }
  assert.equal(found.join("\n"), "", "axe has found something");
}
