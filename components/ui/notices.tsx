'use client'

import { Toaster } from 'sonner'
import { useTheme } from './theme.ts'

/** Where short answers to an action appear; long ones belong beside the thing acted on. */
export function Notices() {
  const theme = useTheme()
  return <Toaster theme={theme} position="bottom-right" closeButton duration={6000} />
}
