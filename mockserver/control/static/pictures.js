// Choosing the input images of a request, within the limits of the contract.
import { api, html, t, useEffect, useRef, useState } from "./lib.js";

const FORMATS = ["image/png", "image/jpeg", "image/bmp", "image/tiff", "image/webp", "image/gif"];
const MEBIBYTE = 2 ** 20;
const DEFAULT_MAX_BYTES = 10 * MEBIBYTE;

const megabytes = (bytes) => Math.round(bytes / MEBIBYTE);
const names = (formats) => formats.map((format) => format.slice("image/".length)).join(", ");

export function Pictures({ images, pictures, setPictures }) {
  const [troubles, setTroubles] = useState([]);
  const [isOver, setOver] = useState(false);
  const shown = useRef([]);
  shown.current = pictures;
  const { terms } = images;
  const formats = terms.mediaTypes ?? FORMATS;
  const max = images.max ?? Number.POSITIVE_INFINITY;
  const add = async (files) => {
    const found = [];
    const problems = [];
    for (const file of [...files]) {
      const refusal = refused(file, { terms, formats, max, count: pictures.length + found.length });
      if (refusal) problems.push(refusal);
      else
        await read(file, terms).then(
          (picture) => found.push(picture),
          (error) => problems.push(error.message),
        );
    }
    setTroubles([...new Set(problems)]);
    setPictures((all) => [...all, ...found].slice(0, max));
  };
  useEffect(
    () => () => {
      for (const picture of shown.current) URL.revokeObjectURL(picture.shown);
    },
    [],
  );
  const choose = (event) => {
    add(event.target.files);
    event.target.value = "";
  };
  const drop = (event) => {
    event.preventDefault();
    setOver(false);
    add(event.dataTransfer.files);
  };
  const over = (event) => {
    event.preventDefault();
    setOver(true);
  };
  const remove = (gone) => setPictures(pictures.filter((picture) => picture !== gone));
  const sides = terms.minWidth ? t("picture-sides", { min: terms.minWidth, max: terms.maxWidth }) : "";
  const limits = t("picture-limits", { formats: names(formats), n: megabytes(terms.maxBytes ?? DEFAULT_MAX_BYTES) });
  return html`<fieldset
    class=${`drop ${isOver ? "over" : ""}`}
    onDragOver=${over}
    onDragLeave=${() => setOver(false)}
    onDrop=${drop}
  >
    <legend>${t("pictures")} (${images.min}–${images.max ?? "…"})</legend>
    <label>
      ${t("choose-pictures")}
      <input type="file" name="pictures" multiple accept=${formats.join(",")} onChange=${choose} />
    </label>
    <p class="hint">${limits} ${sides}</p>
    ${troubles.map((text) => html`<p class="trouble" role="alert">${text}</p>`)}
    <ul class="pictures">
      ${pictures.map((picture) => html`<${Chosen} picture=${picture} remove=${() => remove(picture)} />`)}
    </ul>
  </fieldset>`;
}

function Chosen({ picture, remove }) {
  const label = `${t("remove")} ${picture.name}`;
  return html`<li>
    <img src=${picture.shown} alt=${picture.name} />
    <button type="button" class="small" onClick=${remove} aria-label=${label}>${t("remove")}</button>
  </li>`;
}

/** Return why a file is not taken; null for one that is. */
function refused(file, { terms, formats, max, count }) {
  if (count >= max) return t("too-many-pictures", { n: max });
  if (!formats.includes(file.type)) return t("wrong-format", { name: file.name, formats: names(formats) });
  if (terms.maxBytes && file.size > terms.maxBytes)
    return t("too-large", { name: file.name, n: megabytes(terms.maxBytes) });
  return null;
}

/** Return a chosen file as what a request carries and what the page shows. */
async function read(file, terms) {
  const size = await createImageBitmap(file).catch(() => null); // browsers do not read TIFF, nor every BMP
  if (size && terms.minWidth && !(terms.advisory ?? []).includes("minWidth")) {
    const sides = [size.width, size.height];
    if (Math.min(...sides) < terms.minWidth || Math.max(...sides) > terms.maxWidth) {
      const limit = t("picture-sides", { min: terms.minWidth, max: terms.maxWidth });
      throw new Error(`${file.name}: ${limit} (${size.width}×${size.height})`);
    }
  }
  const url = terms.schemes.includes("data") ? await dataUrl(file) : (await api("POST", "images", file)).url;
  return { name: file.name, shown: URL.createObjectURL(file), url };
}

function dataUrl(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}
