// A combobox over the symbols: type, arrows, Enter, Escape.
import { inItsYear, known, percent } from "/page/format.js";
import { matching } from "/page/rows.js";

export function picker(field, list, choose) {
  let rows = [];
  let shown = [];
  let active = 0;
  let current = "";

  const close = () => {
    list.hidden = true;
    field.setAttribute("aria-expanded", "false");
    field.removeAttribute("aria-activedescendant");
    field.value = current;
  };
  const mark = () => {
    [...list.children].forEach((item, i) => item.setAttribute("aria-selected", String(shown.length > 0 && i === active)));
    const item = list.children[active];
    if (item && shown.length) {
      field.setAttribute("aria-activedescendant", item.id);
      item.scrollIntoView({ block: "nearest" });
    }
  };
  const open = (text) => {
    const wanted = text.trim();
    shown = matching(rows, text).slice(0, 200);
    active = Math.max(0, wanted ? 0 : shown.findIndex((row) => row.symbol === current));
    list.replaceChildren(
      ...shown.map((row, i) => {
        const item = document.createElement("li");
        const move = document.createElement("span");
        item.id = `symbol-${i}`;
        item.setAttribute("role", "option");
        const company = document.createElement("small");
        company.textContent = row.name;
        item.append(row.symbol, company, move);
        move.textContent = known(row.upper) ? `±${percent((row.upper - row.lower) / (2 * row.last_price))}` : "";
        if (known(row.volatility_rank)) move.title = inItsYear(row.volatility_rank);
        item.addEventListener("mousedown", (event) => {
          event.preventDefault();
          take(row.symbol);
        });
        return item;
      }),
    );
    if (!shown.length) {
      const none = document.createElement("li");
      none.setAttribute("role", "option");
      none.setAttribute("aria-disabled", "true");
      none.className = "none";
      none.textContent = `No symbol or company matches “${wanted}”.`;
      list.append(none);
    }
    list.hidden = false;
    field.setAttribute("aria-expanded", "true");
    mark();
  };
  const take = (symbol) => {
    current = symbol;
    close();
    field.blur();
    choose(symbol);
  };

  field.addEventListener("focus", () => {
    field.select();
    open("");
  });
  field.addEventListener("input", () => open(field.value));
  field.addEventListener("blur", close);
  field.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) open(field.value);
      const step = event.key === "ArrowDown" ? 1 : -1;
      active = (active + step + shown.length) % Math.max(1, shown.length);
      mark();
    } else if (event.key === "Enter" && shown[active]) {
      event.preventDefault();
      take(shown[active].symbol);
    } else if (event.key === "Escape") {
      close();
      field.blur();
    }
  });
  return {
    set: (all) => (rows = all),
    show: (symbol) => {
      current = symbol;
      field.value = symbol;
    },
  };
}

// A row of choices of which one holds (radio buttons with arrows).
export function segments(box, choices, chosen, choose) {
  const buttons = choices.map(({ value, label, name }) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = label;
    if (name) button.setAttribute("aria-label", name);
    button.setAttribute("role", "radio");
    button.addEventListener("click", () => pick(value));
    return button;
  });
  const mark = (value) =>
    buttons.forEach((button, i) => {
      const on = choices[i].value === value;
      button.setAttribute("aria-checked", String(on));
      button.tabIndex = on ? 0 : -1;
    });
  const pick = (value) => {
    mark(value);
    choose(value);
  };
  box.replaceChildren(...buttons);
  box.onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = (buttons.indexOf(document.activeElement) + step + buttons.length) % buttons.length;
    buttons[next].focus();
    pick(choices[next].value);
  };
  mark(chosen);
  return { mark };
}
