'use client'

import { useRouter } from 'next/navigation'
import { useEffect, useRef } from 'react'
import { Modal } from '../ui/modal.tsx'
import { closeHelp, openHelp, useHelpOpen } from './help.ts'
import { KEYED_PAGES } from './pages.ts'

const LEADER_MS = 1500

const typing = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  (target.isContentEditable || /^(?:INPUT|TEXTAREA|SELECT)$/.test(target.tagName))

/** `g` and a letter, `/`, `?`; off while typing and while a modifier is held. */
export function Keyboard() {
  const router = useRouter()
  const open = useHelpOpen()
  const leaderAt = useRef(0)
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || typing(event.target))
        return
      if (document.querySelector('[role="dialog"]')) return
      if (Date.now() - leaderAt.current < LEADER_MS) {
        leaderAt.current = 0
        const page = KEYED_PAGES.find((candidate) => candidate.key === event.key)
        if (page) {
          event.preventDefault()
          router.push(page.href)
        }
        return
      }
      if (event.key === 'g') leaderAt.current = Date.now()
      else if (event.key === '?') openHelp()
      else if (event.key === '/') {
        const filter = document.querySelector<HTMLElement>('[data-filter]')
        if (filter) {
          event.preventDefault()
          filter.focus()
        }
      }
    }
    document.addEventListener('keydown', onKey)
    return () => document.removeEventListener('keydown', onKey)
  }, [router])
  return (
    <Modal open={open} onOpenChange={(next) => (next ? openHelp() : closeHelp())} title="Keyboard">
      <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-1.5">
        {KEYED_PAGES.map((page) => (
          <Row key={page.href} keys={`g ${page.key}`} does={page.label} />
        ))}
        <Row keys="/" does="Go to the filter of this page" />
        <Row keys="?" does="This help" />
        <Row keys="Esc" does="Close what is open" />
      </dl>
    </Modal>
  )
}

function Row({ keys, does }: { keys: string; does: string }) {
  return (
    <>
      <dt>
        <kbd className="num rounded-[3px] border border-hairline-strong bg-sunken px-1.5 py-0.5">{keys}</kbd>
      </dt>
      <dd>{does}</dd>
    </>
  )
}
