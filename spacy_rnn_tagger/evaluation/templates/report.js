"use strict";

// Tables: a click on a heading sorts by its column, a second one the other way round.
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") !== "descending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => compare(value(a.cells[column]), value(b.cells[column])) * (down ? -1 : 1));
      table.tBodies[0].append(...rows);
    });
  });
}

function value(cell) {
  const text = cell.dataset.value ?? cell.textContent.trim();
  const number = Number(text);
  return text !== "" && !Number.isNaN(number) ? number : text;
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b));
}

// Docs: those stay that have the text, and an error of the kind and the label.
const kind = document.getElementById("filter-kind");
if (kind) {
  const label = document.getElementById("filter-label");
  const text = document.getElementById("filter-text");
  const count = document.getElementById("filter-count");
  const docs = [...document.querySelectorAll("article.doc")];
  const filter = () => {
    const word = text.value.trim().toLowerCase();
    for (const doc of docs) {
      const fits = JSON.parse(doc.dataset.errors).some(
        ([itsKind, ...itsLabels]) =>
          (!kind.value || itsKind === kind.value) && (!label.value || itsLabels.includes(label.value)),
      );
      doc.hidden = !fits || !doc.textContent.toLowerCase().includes(word);
    }
    count.value = `${docs.filter((doc) => !doc.hidden).length} of ${docs.length} ${count.dataset.unit ?? "docs"}`;
  };
  for (const control of [kind, label, text]) control.addEventListener("input", filter);
  filter();
}
