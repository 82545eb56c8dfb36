import type { ReactNode } from 'react'
import { Wordmark } from '../ui/wordmark.tsx'

/** The frame of the two pages that need no session. */
export function GatePage({ title, intro, children }: { title: string; intro: string; children: ReactNode }) {
  return (
    <main className="mx-auto grid min-h-dvh w-[min(22rem,calc(100vw-2rem))] content-center gap-6 py-12">
      <title>{`${title} · Tidegate`}</title>
      <link rel="icon" href="/icon-unknown.svg" type="image/svg+xml" />
      <div className="font-semibold text-base">
        <Wordmark />
      </div>
      <div className="grid gap-1">
        <h1 className="font-semibold text-2xl">{title}</h1>
        <p className="text-soft">{intro}</p>
      </div>
      {children}
    </main>
  )
}
