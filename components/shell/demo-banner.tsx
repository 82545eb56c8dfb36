'use client'

import { useState } from 'react'
import { Modal } from '../ui/modal.tsx'

const EXAMPLE = `regions:
  - { id: fra, name: Frankfurt }
nodes:
  - { id: fra-1, region: fra, kind: tidegate,
      url: https://fra-1.internal:9460, token: \${FRA1_TOKEN} }`

/** Nobody mistakes the demo for their fleet. */
export function DemoBanner() {
  const [open, setOpen] = useState(false)
  return (
    <aside aria-label="Demo" className="border-hairline border-b bg-sunken">
      <div className="mx-auto flex max-w-[1440px] flex-wrap items-center gap-x-3 px-4 py-1 text-soft text-xs sm:px-6">
        <strong className="rounded-[3px] bg-ink px-1.5 font-semibold text-canvas tracking-wide">DEMO</strong>
        <span className="min-w-0 flex-1 max-sm:truncate">
          A fleet made up on this machine, with real traffic.
        </span>
        <button
          type="button"
          onClick={() => setOpen(true)}
          className="min-h-7 font-medium text-accent underline underline-offset-2"
        >
          Use your own nodes
        </button>
      </div>
      <Modal
        open={open}
        onOpenChange={setOpen}
        title="Point Tidegate at your own nodes"
        description="Put your regions and nodes in tidegate.yaml, check it, and restart. The demo keeps a database of its own."
      >
        <pre
          // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
          tabIndex={0}
          className="num overflow-x-auto rounded-[4px] border border-hairline bg-sunken p-3 text-xs"
        >
          {EXAMPLE}
        </pre>
        <pre className="num overflow-x-auto rounded-[4px] border border-hairline bg-sunken p-3 text-xs">
          {'npx tidegate check-config tidegate.yaml\nTIDEGATE_CONFIG=tidegate.yaml npm start'}
        </pre>
      </Modal>
    </aside>
  )
}
