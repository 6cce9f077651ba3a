// Accounts, charges, and what was spent: over time, by model and by key.
import { aligned, sum } from "./amounts.js";
import { Chart } from "./chart.js";
import { Empty, NoMatch, ToPlayground } from "./empty.js";
import { api, html, moment, Trouble, t, useApi, useState } from "./lib.js";
import { ToRequest } from "./links.js";

const LOADED = 1000;
const MAX_CHARGES = 200;
const ACCOUNT_COLUMNS = ["provider", "key", "balance", "reserved", "spent", "currency", "limit", "change"];
const CHARGE_COLUMNS = ["when", "provider", "model", "key", "images-column", "unit-price", "amount", "currency", "usd"];
const NUMBERS = ["balance", "reserved", "spent", "limit", "images-column", "unit-price", "amount", "usd"];

export function Ledger() {
  const { data, error, read } = useApi(`ledger?limit=${LOADED}`, 2);
  return html`<section aria-labelledby="ledger-title">
    <h2 id="ledger-title">${t("ledger")}</h2>
    <${Trouble} error=${error} />
    ${data?.accounts.length === 0 && html`<${Empty} text=${t("empty-ledger")}><${ToPlayground} /></${Empty}>`}
    ${data?.accounts.length > 0 && html`<${Spending} charges=${data.charges} />`}
    ${data?.accounts.length > 0 && html`<${Accounts} accounts=${data.accounts} read=${read} />`}
    ${data?.charges.length > 0 && html`<${Charges} charges=${data.charges} />`}
  </section>`;
}

/** Return values by what a function makes of them, in the order in which they came. */
function grouped(values, nameOf) {
  const groups = new Map();
  for (const value of values) {
    const name = nameOf(value);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(value);
  }
  return [...groups];
}

/** Return the sum of charges in US dollars; null unless a document names each price in them. */
function dollars(charges) {
  return charges.every((charge) => charge.usd !== null) ? sum(charges.map((charge) => charge.usd)) : null;
}

/** For each currency a chart, and the totals. */
function Spending({ charges }) {
  return grouped(charges, (charge) => charge.currency)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([currency, spent]) => {
      const total = `${sum(spent.map((charge) => charge.amount))} ${currency}`;
      const usd = currency === "USD" ? null : dollars(spent);
      return html`<section key=${currency} aria-label=${currency}>
        <h3>${t("spending")}: ${total} ${usd && html`<small>(${usd} USD)</small>`}</h3>
        ${charges.length === LOADED && html`<p class="hint">${t("newest-charges", { n: LOADED })}</p>`}
        <${Chart} charges=${spent} currency=${currency} label=${`${t("spending")}: ${total}`} />
        <div class="split">
          <${Totals} name="model" groups=${grouped(spent, (charge) => charge.model)} currency=${currency} />
          <${Totals} name="key" groups=${grouped(spent, (charge) => charge.key)} currency=${currency} />
        </div>
      </section>`;
    });
}

function Totals({ name, groups, currency }) {
  const rows = groups.map(([value, charges]) => ({
    value,
    images: charges.reduce((found, charge) => found + charge.images, 0),
    amount: sum(charges.map((charge) => charge.amount)),
    usd: dollars(charges),
  }));
  const write = aligned(rows.map((row) => row.amount));
  const writeDollars = aligned(rows.map((row) => row.usd ?? "0"));
  const columns = [name, "images-column", "amount", "currency", "usd"];
  return html`<${Table} label=${t(`by-${name}`)} columns=${columns}>
    ${rows.map(
      ({ value, images, amount, usd }) => html`<tr key=${value}>
      <th scope="row">${value}</th>
      <td class="number">${images}</td>
      <td class="number">${write(amount)}</td>
      <td>${currency}</td>
      <td class="number">${usd === null ? "–" : writeDollars(usd)}</td>
    </tr>`,
    )}
  </${Table}>`;
}

function Table({ label, columns, children }) {
  return html`<div class="scroll" tabindex="0"><table aria-label=${label}>
    <thead><tr>${columns.map((name) => {
      return html`<th scope="col" class=${NUMBERS.includes(name) ? "number" : undefined}>${t(name)}</th>`;
    })}</tr></thead>
    <tbody>${children}</tbody>
  </table></div>`;
}

const matches = (charge, text) =>
  [charge.provider, charge.model, charge.key].some((value) => value.toLowerCase().includes(text.toLowerCase()));

function Charges({ charges }) {
  const [text, setText] = useState("");
  const found = charges.filter((charge) => matches(charge, text));
  const shown = found.slice(0, MAX_CHARGES);
  const writers = {
    price: aligned(shown.map((charge) => charge.unit_price ?? "0")),
    amount: aligned(shown.map((charge) => charge.amount)),
    usd: aligned(shown.map((charge) => charge.usd ?? "0")),
  };
  return html`<h3>${t("charges")} <a class="small" href="/__mock__/ledger.csv">CSV</a></h3>
    <form class="filters" onSubmit=${(event) => event.preventDefault()}>
      <label>
        ${t("search")}
        <input type="search" value=${text} onInput=${(event) => setText(event.target.value)} />
      </label>
    </form>
    ${
      found.length === 0
        ? html`<${NoMatch} clear=${() => setText("")} />`
        : html`<${Table} label=${t("charges")} columns=${CHARGE_COLUMNS}>
      ${shown.map((charge) => html`<${Charge} key=${charge.id} charge=${charge} writers=${writers} />`)}
    </${Table}>`
    }`;
}

function Charge({ charge, writers }) {
  return html`<tr id=${`charge-${charge.request_id}`}>
    <td><${ToRequest} id=${charge.request_id}>${moment(charge.created)}</${ToRequest}></td>
    <td>${charge.provider}</td>
    <td>${charge.model}</td>
    <td>${charge.key}</td>
    <td class="number">${charge.images}</td>
    <td class="number">${charge.unit_price === null ? t("unknown") : writers.price(charge.unit_price)}</td>
    <td class="number">${writers.amount(charge.amount)}</td>
    <td>${charge.currency}</td>
    <td class="number">${charge.usd === null ? "–" : writers.usd(charge.usd)}</td>
  </tr>`;
}

function Accounts({ accounts, read }) {
  const columns = ["balance", "reserved", "spent"];
  const writers = columns.map((name) => [name, aligned(accounts.map((account) => account[name]))]);
  return html`<h3>${t("accounts")}</h3>
    <${Table} label=${t("accounts")} columns=${ACCOUNT_COLUMNS}>
      ${accounts.map((account) => {
        const id = `${account.provider}/${account.key}`;
        return html`<${Account} key=${id} account=${account} writers=${writers} read=${read} />`;
      })}
    </${Table}>`;
}

function Account({ account, writers, read }) {
  const [isEdited, setEdited] = useState(false);
  const close = () => setEdited(false);
  const saved = () => {
    close();
    read();
  };
  if (isEdited) return html`<${AccountForm} account=${account} saved=${saved} close=${close} />`;
  const label = `${t("change")} ${account.provider} ${account.key}`;
  return html`<tr>
    <td>${account.provider}</td>
    <td>${account.key}</td>
    ${writers.map(([name, write]) => html`<td class="number">${write(account[name])}</td>`)}
    <td>${account.currency}</td>
    <td class="number">${account.requests_per_minute ?? "–"}</td>
    <td>
      <button type="button" class="small" onClick=${() => setEdited(true)} aria-label=${label}>${t("change")}</button>
    </td>
  </tr>`;
}

function AccountForm({ account, saved, close }) {
  const [balance, setBalance] = useState(account.balance);
  const [limit, setLimit] = useState(String(account.requests_per_minute ?? ""));
  const [error, setError] = useState(null);
  const save = (event) => {
    event.preventDefault();
    const text = limit.trim();
    const change = { provider: account.provider, balance, requests_per_minute: text === "" ? null : Number(text) };
    api("PATCH", `accounts/${encodeURIComponent(account.key)}`, change).then(saved, setError);
  };
  const typed = (set) => (event) => set(event.target.value);
  return html`<tr>
    <td>${account.provider}</td>
    <td>${account.key}</td>
    <td colspan="6">
      <form class="filters" onSubmit=${save}>
        <label>
          ${t("balance")}
          <input name="balance" required value=${balance} onInput=${typed(setBalance)} inputmode="decimal" />
        </label>
        <label>
          ${t("limit")}
          <input name="limit" value=${limit} onInput=${typed(setLimit)} inputmode="numeric"
            placeholder=${t("no-limit")} />
        </label>
        <button class="small">${t("save")}</button>
        <button type="button" class="small" onClick=${close}>${t("cancel")}</button>
        <${Trouble} error=${error} />
      </form>
    </td>
  </tr>`;
}
