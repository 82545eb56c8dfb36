import { headers } from 'next/headers'
import type { ReactNode } from 'react'
import { Console } from '@/components/shell/console.tsx'

export default async function ConsoleLayout({ children }: { children: ReactNode }) {
  const demo = (await headers()).get('x-tidegate-demo') === '1'
  return <Console demo={demo}>{children}</Console>
}
