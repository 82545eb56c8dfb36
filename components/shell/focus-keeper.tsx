'use client'

import { useEffect } from 'react'

const FOCUSABLE =
  'button:not(:disabled), a[href], input:not(:disabled), select:not(:disabled), textarea:not(:disabled), [tabindex="0"]'

const isUsable = (element: Element): boolean => element.isConnected && !element.matches(':disabled')

/** What follows a control that is gone: the first one left nearest to where it was, else the heading of the page. */
const successorOf = (path: readonly Element[]): HTMLElement | null => {
  for (const ancestor of path) {
    if (!ancestor.isConnected) continue
    if (ancestor.tagName === 'MAIN' || ancestor === document.body) break
    const next = ancestor.querySelector<HTMLElement>(FOCUSABLE)
    if (next) return next
  }
  const heading = document.querySelector<HTMLElement>('main h1')
  heading?.setAttribute('tabindex', '-1')
  return heading
}

/**
 * Focus never falls to the body: a button that vanishes with what it did (Acknowledge, Pause, Resume), or that is disabled while it
 * does it, hands it on or gets it back.
 */
export function FocusKeeper() {
  useEffect(() => {
    let last: Element | null = null
    let path: Element[] = []
    const remember = ({ target }: FocusEvent) => {
      if (!(target instanceof Element)) return
      last = target
      path = []
      for (let element = target.parentElement; element; element = element.parentElement) path.push(element)
    }
    // Focus that somebody took away on purpose, by a click into nothing, stays away.
    const forget = () =>
      setTimeout(() => {
        if (document.activeElement === document.body && last && isUsable(last)) last = null
      }, 0)
    const keep = () => {
      if (!last || document.activeElement !== document.body) return
      if (last.isConnected) {
        // Disabled while it works: it gets focus back once it can take it.
        if (isUsable(last) && last instanceof HTMLElement) last.focus({ preventScroll: true })
        return
      }
      successorOf(path)?.focus({ preventScroll: true })
    }
    const observer = new MutationObserver(keep)
    observer.observe(document.body, {
      subtree: true,
      childList: true,
      attributes: true,
      attributeFilter: ['disabled'],
    })
    document.addEventListener('focusin', remember)
    document.addEventListener('focusout', forget)
    return () => {
      observer.disconnect()
      document.removeEventListener('focusin', remember)
      document.removeEventListener('focusout', forget)
    }
  }, [])
  return null
}
