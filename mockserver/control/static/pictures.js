// Choosing the input images of a request, within the limits of the contract.
import { api, html, t, useEffect, useRef, useState } from "./lib.js";
import { Source } from "./source.js";

const FORMATS = ["image/png", "image/jpeg", "image/bmp", "image/tiff", "image/webp", "image/gif"];
const MEBIBYTE = 2 ** 20;
const SMALL_SIDE = 320;
const DEFAULT_MAX_BYTES = 10 * MEBIBYTE;

const megabytes = (bytes) => Math.round(bytes / MEBIBYTE);
const names = (formats) => formats.map((format) => format.slice("image/".length)).join(", ");

/** The input images: chosen, dropped, pasted or photographed. The first of them replaces what was filled in. */
export function Pictures({ images, sources, pictures, setPictures }) {
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
    const own = shown.current.filter((picture) => !picture.isFilledIn);
    for (const file of [...files]) {
      const refusal = refused(file, { terms, formats, max, count: own.length + found.length });
      if (refusal) problems.push(refusal);
      else
        await read(file, terms).then(
          (picture) => found.push(picture),
          (error) => problems.push(error.message),
        );
    }
    setTroubles([...new Set(problems)]);
    if (found.length > 0)
      setPictures((all) => [...all.filter((picture) => !picture.isFilledIn), ...found].slice(0, max));
  };
  const latest = useRef(add);
  latest.current = add;
  useEffect(() => {
    const paste = (event) => {
      if (event.clipboardData.files.length === 0) return;
      event.preventDefault();
      latest.current(event.clipboardData.files);
    };
    addEventListener("paste", paste);
    return () => removeEventListener("paste", paste);
  }, []);
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
  const remove = (gone) => setPictures((all) => all.filter((picture) => picture !== gone));
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
    <label class="camera">
      ${t("take-photo")}
      <input type="file" name="camera" accept="image/*" capture="environment" onChange=${choose} />
    </label>
    <p class="hint">${limits} ${sides}</p>
    ${sources.map((source) => html`<${Source} text=${source} />`)}
    ${troubles.map((text) => html`<p class="trouble" role="alert">${text}</p>`)}
    <ul class="pictures">
      ${pictures.map((picture) => html`<${Chosen} picture=${picture} remove=${() => remove(picture)} />`)}
    </ul>
  </fieldset>`;
}

function Chosen({ picture, remove }) {
  const label = `${t("remove")} ${picture.name}`;
  return html`<li>
    ${
      picture.shown ? html`<img src=${picture.shown} alt=${picture.name} />` : html`<p class="hint">${picture.name}</p>`
    }
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
  return { name: file.name, shown: URL.createObjectURL(file), small: size && smallerOf(size), url };
}

/** Return a picture that is small enough to be kept in the history. */
function smallerOf(bitmap) {
  const scale = Math.min(1, SMALL_SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/jpeg", 0.8);
}

function dataUrl(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}
