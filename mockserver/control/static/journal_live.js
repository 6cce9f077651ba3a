// The entries of the journal that match a filter: the newest as they come, and older ones when asked for.

import { placeOf, queryOf } from "./journal_query.js";
import { api, useCallback, useEffect, useRef, useState } from "./lib.js";

const MAX_ENTRIES = 300;
const PAGE = 50;
const EMPTY = { entries: null, total: 0, waiting: 0, isLive: false, skipped: false, hasEnded: false, error: null };

/** Follow the journal. While it is paused, what is shown stays; `waiting` counts what has come. */
export function useJournal(filter) {
  const query = queryOf(filter);
  const [state, setState] = useState(EMPTY);
  const [isPaused, setPaused] = useState(false);
  const paused = useRef(false);
  paused.current = isPaused;
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    setState((s) => ({ ...s, error: null }));
    setPaused(false);
    let isFresh = true;
    const source = new EventSource(`/__mock__/events?${query}`);
    source.onopen = () => setState((s) => ({ ...s, isLive: true }));
    source.onerror = () => {
      setState((s) => ({ ...s, isLive: false }));
      // A source that is closed for good was refused: the same question to the journal says why.
      if (source.readyState === EventSource.CLOSED)
        api("GET", `journal?limit=0&${query}`).catch((error) => setState((s) => ({ ...s, error })));
    };
    source.onmessage = (event) => {
      const news = JSON.parse(event.data);
      const stays = paused.current && !isFresh;
      isFresh = false;
      setState((s) => (stays ? noticed(s, news) : merged(s, news, query === "")));
    };
    return () => source.close();
  }, [query, turn]);
  const resume = useCallback(() => setTurn((n) => n + 1), []);
  const clear = async () => {
    await api("POST", "reset/journal", {});
    resume();
  };
  const more = async () => {
    setPaused(true);
    paused.current = true; // an event may come before the next rendering
    const last = state.entries.at(-1);
    const path = `journal?limit=${PAGE}&cursor=${encodeURIComponent(placeOf(last))}&${query}`;
    try {
      const older = await api("GET", path);
      setState((s) => ({ ...s, entries: [...s.entries, ...older], hasEnded: older.length < PAGE }));
    } catch (error) {
      setState((s) => ({ ...s, error }));
    }
  };
  const hasMore = state.entries !== null && state.entries.length < state.total && !state.hasEnded;
  return { ...state, isPaused, hasMore, pause: () => setPaused(true), resume, clear, more };
}

function merged(state, news, isWhole) {
  const shared = { total: news.total, waiting: 0, isLive: true, skipped: news.skipped, hasEnded: false, error: null };
  // With more news than an event holds there would be a gap: the list begins anew.
  if (news.begins || news.skipped || state.entries === null) return { ...state, ...shared, entries: news.entries };
  const known = new Set(state.entries.map(placeOf));
  const added = news.entries.filter((entry) => !known.has(placeOf(entry)));
  // Of the whole journal, there are fewer than are shown only if it was emptied. What a search has found stays, also if
  // the journal has dropped it.
  const entries = [...added, ...state.entries].slice(0, isWhole ? Math.min(MAX_ENTRIES, news.total) : MAX_ENTRIES);
  return { ...state, ...shared, entries };
}

const noticed = (state, news) => ({
  ...state,
  isLive: true,
  total: news.total,
  waiting: state.waiting + (news.begins ? 0 : news.matching),
});
