// Accounts, charges, and what was spent over time.
import { Empty, ToPlayground } from "./empty.js";
import { api, html, moment, money, Trouble, t, useApi, useState } from "./lib.js";

const MAX_CHARGES = 200;
const ACCOUNT_COLUMNS = ["provider", "key", "balance", "reserved", "spent", "limit", "change"];
const CHARGE_COLUMNS = ["when", "provider", "model", "key", "images-column", "unit-price", "amount"];

export function Ledger() {
  const { data, error, read } = useApi("ledger?limit=1000", 2);
  return html`<section aria-labelledby="ledger-title">
    <h2 id="ledger-title">${t("ledger")}</h2>
    <${Trouble} error=${error} />
    ${data?.accounts.length === 0 && html`<${Empty} text=${t("empty-ledger")}><${ToPlayground} /></${Empty}>`}
    ${
      data?.accounts.length > 0 &&
      html`
      <${Chart} charges=${data.charges} />
      <h3>${t("accounts")}</h3>
      <${Table} columns=${ACCOUNT_COLUMNS}>
        ${data.accounts.map((account) => {
          return html`<${Account} key=${`${account.provider}/${account.key}`} account=${account} read=${read} />`;
        })}
      </${Table}>
      <h3>${t("charges")} <a class="small" href="/__mock__/ledger.csv">CSV</a></h3>
      <${Table} columns=${CHARGE_COLUMNS}>
        ${data.charges.slice(0, MAX_CHARGES).map((charge) => html`<${Charge} key=${charge.id} charge=${charge} />`)}
      </${Table}>`
    }
  </section>`;
}

function Table({ columns, children }) {
  return html`<div class="scroll" tabindex="0"><table>
    <thead><tr>${columns.map((name) => html`<th scope="col">${t(name)}</th>`)}</tr></thead>
    <tbody>${children}</tbody>
  </table></div>`;
}

function Charge({ charge }) {
  return html`<tr>
    <td>${moment(charge.created)}</td>
    <td>${charge.provider}</td>
    <td>${charge.model}</td>
    <td>${charge.key}</td>
    <td class="number">${charge.images}</td>
    <td class="number">${charge.unit_price ?? t("unknown")}</td>
    <td class="number">
      ${money(charge.amount, charge.currency)}${charge.usd && html` <small>${charge.usd} USD</small>`}
    </td>
  </tr>`;
}

function Account({ account, read }) {
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
    <td class="number">${money(account.balance, account.currency)}</td>
    <td class="number">${account.reserved}</td>
    <td class="number">${account.spent}</td>
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
    <td colspan="5">
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

const BARS = 30;
const WIDTH = 300;
const HEIGHT = 60;

/** Return the sums of charges in equal stretches of time: for each currency as many numbers as there are bars. */
function sumsOf(charges, currencies, first, seconds) {
  const sums = currencies.map(() => Array(BARS).fill(0));
  for (const charge of charges) {
    const at = Math.min(BARS - 1, Math.floor((charge.created - first) / seconds));
    sums[currencies.indexOf(charge.currency)][at] += Number(charge.amount);
  }
  return sums;
}

/** What each stretch of time cost, a colour for each currency. */
function Chart({ charges }) {
  if (charges.length === 0) return null;
  const first = Math.min(...charges.map((charge) => charge.created));
  const last = Math.max(...charges.map((charge) => charge.created));
  const seconds = Math.max(1, (last - first) / BARS);
  const currencies = [...new Set(charges.map((charge) => charge.currency))].sort();
  const sums = sumsOf(charges, currencies, first, seconds);
  const max = Math.max(...sums.flat(), 1e-9);
  const width = WIDTH / BARS / currencies.length;
  const totals = currencies.map((currency, i) => `${sums[i].reduce((a, b) => a + b, 0).toFixed(2)} ${currency}`);
  const bar = (sum, n, i) => {
    if (sum === 0) return null;
    const height = (sum / max) * (HEIGHT - 2);
    const title = `${moment(first + n * seconds)}: ${sum.toFixed(4)} ${currencies[i]}`;
    const x = (n * currencies.length + i) * width;
    return html`<rect class=${`series-${i % 4}`} x=${x} width=${width * 0.85} y=${HEIGHT - height} height=${height}>
      <title>${title}</title>
    </rect>`;
  };
  const label = `${t("spending")}: ${totals.join(", ")}`;
  return html`<figure class="chart">
    <svg viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label=${label} preserveAspectRatio="none">
      ${sums.flatMap((row, i) => row.map((sum, n) => bar(sum, n, i)))}
    </svg>
    <figcaption>${t("spending")}: ${moment(first)} – ${moment(last)} ${currencies.map((currency, i) => {
      return html`<span class=${`legend series-${i % 4}`}>${currency}</span>`;
    })}</figcaption>
  </figure>`;
}
