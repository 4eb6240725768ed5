// How the results are shown: the digit, and how sure the model is of each.

/** @typedef {import("./recogniser.js").Result} Result */

const DIGITS = Array.from({ length: 10 }, (_, digit) => digit);

/**
 * One result after the other, or blank ones while there is nothing to read.
 * @param {HTMLElement} place
 * @param {readonly string[]} names what each ran on
 * @param {readonly Result[]} results
 * @param {string} [why] there are no results
 */
export function showVerdicts(place, names, results, why = "nothing drawn yet") {
  while (place.children.length > names.length) place.lastElementChild?.remove();
  while (place.children.length < names.length) place.append(newVerdict());
  names.forEach((name, index) => {
    const verdict = place.children[index];
    const result = results[index];
    if (verdict) fill(verdict, name, result, why);
  });
}

/**
 * @param {readonly Result[]} results
 * @returns {string} the same for a screen reader
 */
export function spoken(results) {
  if (results.length === 0) return "Nothing is drawn yet.";
  const said = results.map(({ digit, shares }) => `${digit}, ${percent(shares[digit] ?? 0)}`);
  return `Read as ${said.join("; and as ")}.`;
}

function newVerdict() {
  const verdict = element("div", "verdict");
  const read = element("p", "read");
  read.append(element("span", "digit"), element("span", "time small"));
  const bars = element("ol", "bars");
  bars.append(
    ...DIGITS.map((digit) => {
      const row = element("li", "");
      const bar = element("span", "bar");
      bar.append(element("span", ""));
      row.append(element("span", "name", String(digit)), bar, element("span", "percent"));
      return row;
    }),
  );
  verdict.append(element("h3", ""), read, bars);
  return verdict;
}

/**
 * @param {Element} verdict
 * @param {string} name
 * @param {Result | undefined} result
 * @param {string} why there is none
 */
function fill(verdict, name, result, why) {
  set(verdict, "h3", name);
  set(verdict, ".digit", result ? String(result.digit) : "–");
  set(verdict, ".time", result ? `in ${milliseconds(result.milliseconds)} ms` : why);
  verdict.querySelectorAll("li").forEach((row, digit) => {
    const share = result?.shares[digit] ?? 0;
    row.style.setProperty("--share", String(share));
    row.classList.toggle("is-best", result?.digit === digit);
    set(row, ".percent", result ? percent(share) : "");
  });
}

/** @param {number} share */
export function percent(share) {
  return `${(share * 100).toFixed(1)} %`;
}

/** @param {number | null} time */
export function milliseconds(time) {
  if (time === null) return "–";
  return time < 10 ? time.toFixed(2) : time < 100 ? time.toFixed(1) : time.toFixed(0);
}

/**
 * @param {string} name
 * @param {string} classes
 * @param {string} [text]
 */
export function element(name, classes, text = "") {
  const made = document.createElement(name);
  if (classes) made.className = classes;
  made.textContent = text;
  return made;
}

/**
 * @param {Element} within
 * @param {string} selector
 * @param {string} text
 */
function set(within, selector, text) {
  const found = within.querySelector(selector);
  if (found) found.textContent = text;
}
