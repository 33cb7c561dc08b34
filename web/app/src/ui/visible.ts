/** Whether something is where a person can see it: what is not, is not drawn. */

import { useSignal } from "@preact/signals";
import type { RefObject } from "preact";
import { useEffect } from "preact/hooks";

/** A signal that is true while the element is in view, on a page that is in front. */
export function useVisible(element: RefObject<Element>) {
  const visible = useSignal(false);
  useEffect(() => {
    const target = element.current;
    if (target === null) return;
    let inView = false;
    const tell = () => {
      visible.value = inView && document.visibilityState !== "hidden";
    };
    const observer = new IntersectionObserver((entries) => {
      inView = entries.at(-1)?.isIntersecting ?? false;
      tell();
    });
    observer.observe(target);
    document.addEventListener("visibilitychange", tell);
    return () => {
      observer.disconnect();
      document.removeEventListener("visibilitychange", tell);
    };
  }, []);
  return visible;
}
