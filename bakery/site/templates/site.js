// Everything works without this: it only saves clicks.
"use strict";
const one = (selector) => document.querySelector(selector);
const all = (selector) => [...document.querySelectorAll(selector)];
const shown = (element) => { element.hidden = false; return element; };

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
    const said = new URLSearchParams([...new FormData(filters)].filter(([, value]) => value));
    history.replaceState(null, "", said.size ? `?${said}` : location.pathname);
  };
  for (const [key, value] of new URLSearchParams(location.search)) if (form[key]) form[key].value = value;
  for (const kind of ["input", "change"]) filters.addEventListener(kind, filter);
  filters.addEventListener("submit", (event) => event.preventDefault());
  one("#reset").addEventListener("click", () => { filters.reset(); filter(); form.q.focus(); });
  filter();
}

const chooser = one(".chooser");
if (chooser) {
  const form = shown(chooser).elements, copy = shown(one("#copy")), told = one("#told");
  const links = new Map(all("details a[data-command]").map((link) => [link.getAttribute("href"), link]));
  const choose = async () => {
    const start = `get/${form.what.value}-${form.arch.value}-${form.form.value}.`;
    const [file, link] = [...links].find(([name]) => name.startsWith(start)) ?? [];
    told.value = link ? "" : "There is none for this choice.";
    copy.disabled = !link;
    if (!link) return;
    one("#command").textContent = link.dataset.command;
    one("#download").href = file;
    one("#configuration code").textContent = await (await fetch(file)).text();
  };
  chooser.addEventListener("change", choose);
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(one("#configuration code").textContent);
    told.value = "Copied.";
  });
}

const compare = one(".compare");
if (compare) {
  const form = shown(compare).elements, rows = all("#changes tbody tr");
  const show = () => {
    const [first, second] = [Number(form.new.value), Number(form.old.value)];
    let differing = 0;
    for (const row of rows) {
      const cells = [...row.querySelectorAll("td")];
      const [from, to] = [Math.min(first, second), Math.max(first, second)];
      row.hidden = !cells.slice(from, to).some((cell) => cell.querySelector("mark"));
      differing += !row.hidden;
    }
    for (const row of all("#changes tr"))
      [...row.children].slice(1).forEach((cell, number) => { cell.hidden = ![first, second].includes(number); });
    compare.querySelector("output").value = `${differing} files`;
  };
  compare.addEventListener("change", show);
}

for (const time of all("time[data-until]"))
  if (Date.parse(time.dateTime) < Date.now()) shown(time.nextElementSibling);
