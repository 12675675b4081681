// Search in lists of rows: by words, and by a mark. Without scripts all rows are shown.
for (const list of document.querySelectorAll(".items")) {
  const [word, mark] = [list.querySelector("input"), list.querySelector("select")];
  const rows = [...list.querySelectorAll("li.item")];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const show = () => {
    const sought = word.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    rows.forEach((row, place) => {
      const marks = JSON.parse(row.dataset.marks);
      const fits = sought.every((one) => texts[place].includes(one)) && (!mark || !mark.value || marks.includes(mark.value));
      row.hidden = !fits;
      count += fits;
    });
    list.querySelector("output").textContent = `${count} of ${rows.length} rows shown`;
  };
  list.querySelector(".search").hidden = false;
  word.addEventListener("input", show);
  mark?.addEventListener("change", show);
  show();
}
