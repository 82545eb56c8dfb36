import { type RefObject, useEffect, useRef, useState } from 'react'

/** Whether the element is on screen, or nearly. Nothing is drawn off screen. */
export const useOnScreen = <T extends Element>(): [RefObject<T | null>, boolean] => {
  const ref = useRef<T>(null)
  const [onScreen, setOnScreen] = useState(false)
  useEffect(() => {
    const element = ref.current
    if (!element) return
    const observer = new IntersectionObserver(
      (entries) => setOnScreen(entries.at(-1)?.isIntersecting ?? false),
      { rootMargin: '160px' },
    )
    observer.observe(element)
    return () => observer.disconnect()
  }, [])
  return [ref, onScreen]
}
