import { headers } from 'next/headers'
import type { ReactNode } from 'react'
import { Console } from '@/components/shell/console.tsx'

export default async function ConsoleLayout({ children }: { children: ReactNode }) {
  const known = await headers()
  return (
    <Console
      demo={known.get('x-tidegate-demo') === '1'}
      openIncidents={Number(known.get('x-tidegate-incidents') ?? 0)}
    >
      {children}
    </Console>
  )
}
