// Everything works without this: it only saves clicks.
"use strict";
const one = (selector) => document.querySelector(selector);
const all = (selector) => [...document.querySelectorAll(selector)];
const shown = (element) => { element.hidden = false; return element; };
// What is chosen stays in the address, so that it can be passed on.
const remember = (form) => {
  const said = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
  history.replaceState(null, "", (said.size ? `?${said}` : location.pathname) + location.hash);
};
const remembered = ({ elements }) => {
  const said = [...new URLSearchParams(location.search)].filter(([key]) => elements[key]);
  for (const [key, value] of said) {
    elements[key].value = value;
    if (elements[key].selectedIndex === -1) elements[key].selectedIndex = 0;
  }
  return said.length;
};

const filters = one(".filters");
if (filters) {
  const form = shown(filters).elements, rows = all("#extensions tbody tr");
  const filter = () => {
    const words = form.q.value.toLowerCase().split(/\s+/).filter(Boolean);
    let left = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !(words.every((word) => text.includes(word))
        && (!form.tier.value || row.dataset.tier === form.tier.value)
        && (!form.arch.value || row.dataset.arch.split(" ").includes(form.arch.value))
        && (!form.host.value || [form.host.value, "any host"].includes(row.dataset.host)));
      left += !row.hidden;
    }
    filters.querySelector("output").value = `${left} of ${rows.length}`;
    one("#nothing").hidden = left > 0;
    remember(filters);
  };
  remembered(filters);
  for (const kind of ["input", "change"]) filters.addEventListener(kind, filter);
  filters.addEventListener("submit", (event) => event.preventDefault());
  one("#reset").addEventListener("click", () => { filters.reset(); filter(); form.q.focus(); });
  filter();
}

const chooser = one(".chooser");
if (chooser) {
  const form = shown(chooser).elements, copy = shown(one("#copy")), told = one("#told");
  const rows = all("#configurations tbody tr");
  const choose = async () => {
    // A version of one's choice gets no updates; the newest of a channel without them is a version.
    const { newest } = form.what.selectedOptions[0].dataset;
    for (const way of form.way.options) way.disabled = way.value !== "pin" && !newest;
    if (!newest) form.way.value = "pin";
    const wanted = { arch: form.arch.value, way: form.way.value };
    wanted.what = wanted.way === "pin" && newest ? newest : form.what.value;
    const row = rows.find(({ dataset }) => Object.entries(wanted).every(([key, value]) => dataset[key] === value));
    const link = row?.querySelector(`[data-form="${form.form.value}"]`);
    told.value = link ? "" : "There is none for this choice.";
    copy.disabled = !link;
    if (!link) return;
    one("#command").textContent = `${row.dataset.command} ${form.form.selectedOptions[0].dataset.syntax}`;
    one("#download").href = link.getAttribute("href");
    const text = await fetch(link.href).then((answer) => (answer.ok ? answer.text() : ""), () => "");
    if (one("#download").href !== link.href) return; // another has been chosen meanwhile
    one("#configuration code").textContent = text;
    if (!text) told.value = "It can't be shown here: download it.";
  };
  const what = form.what;
  what.addEventListener("change", () => { if (what.selectedOptions[0].dataset.newest) form.way.value = "follow"; });
  chooser.addEventListener("change", () => { remember(chooser); choose(); });
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(one("#configuration code").textContent);
    told.value = "Copied.";
  });
  if (remembered(chooser)) choose();
}

const compare = one(".compare");
if (compare) {
  const form = shown(compare).elements, groups = all("#changes tbody");
  const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
  const show = () => {
    const pair = [Number(form.new.value), Number(form.old.value)];
    const counts = {};
    for (const group of groups) {
      const [head, ...rows] = group.rows;
      if (group.dataset.kind !== "Images") {
        for (const row of rows) {
          const [one, other] = pair.map((number) => row.cells[1 + number].dataset.is);
          row.hidden = one === other;
        }
        const differing = rows.filter((row) => !row.hidden).length;
        head.hidden = !differing;
        counts[group.dataset.kind] = differing;
      }
      head.cells[0].colSpan = pair[0] === pair[1] ? 2 : 3;
    }
    for (const row of all("#changes tr:not(.group)"))
      [...row.cells].slice(1).forEach((cell, number) => { cell.hidden = !pair.includes(number); });
    const { Units: units = 0, Programs: programs = 0, "Other files": others = 0 } = counts;
    compare.querySelector("output").value =
      [plural(units, "unit"), plural(programs, "program"), plural(others, "other file")].join(", ");
  };
  compare.addEventListener("change", () => { remember(compare); show(); });
  if (remembered(compare)) show();
}

// Days that are over, and how long ago others were: only a visitor's clock knows.
const ago = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const age = (days) => (days < 45 ? ago.format(-days, "day") : days < 700 ? ago.format(-Math.round(days / 30.4), "month") : ago.format(-Math.round(days / 365.25), "year"));
for (const time of all("time[data-until]"))
  if (Date.parse(time.dateTime) < Date.now()) shown(time.nextElementSibling);
for (const time of all("time[data-age]")) {
  time.title = time.textContent;
  time.textContent = age(Math.max(0, Math.floor((Date.now() - Date.parse(time.dateTime)) / 864e5)));
}
