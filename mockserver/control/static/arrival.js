// A link may lead to one row or card of a view: `#ledger?at=charge-ID`. It is shown and marked when it is there.
import { parameters } from "./journal_query.js";
import { useEffect } from "./lib.js";

const MARK = "arrived";

export function useArrival() {
  useEffect(() => {
    let watcher = null;
    const stop = () => {
      watcher?.disconnect();
      watcher = null;
    };
    const arrive = () => {
      stop();
      for (const old of document.getElementsByClassName(MARK)) old.classList.remove(MARK);
      const wanted = parameters().at;
      if (!wanted) return;
      const look = () => {
        const found = document.getElementById(wanted);
        if (!found) return false;
        stop();
        found.classList.add(MARK);
        found.scrollIntoView({ block: "center" });
        return true;
      };
      if (look()) return;
      watcher = new MutationObserver(look);
      watcher.observe(document.body, { childList: true, subtree: true });
    };
    arrive();
    addEventListener("hashchange", arrive);
    return () => {
      stop();
      removeEventListener("hashchange", arrive);
    };
  }, []);
}
