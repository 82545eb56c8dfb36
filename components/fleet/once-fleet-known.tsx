'use client'

import type { ReactNode } from 'react'
import { useOverview } from '../data/overview.ts'
import { OnceKnown } from '../panels/once-known.tsx'

export function OnceFleetKnown({ children }: { children: ReactNode }) {
  return <OnceKnown query={useOverview()}>{children}</OnceKnown>
}
