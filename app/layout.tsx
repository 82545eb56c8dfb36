import './globals.css'
import type { Metadata, Viewport } from 'next'
import { headers } from 'next/headers'
import type { ReactNode } from 'react'
import { Providers } from '@/components/shell/providers.tsx'
import { ThemeScript } from '@/components/shell/theme-script.tsx'

// Title and icon are written by the page itself, because they carry the fleet's state; a second icon here would win over it.
export const metadata: Metadata = {
  description: 'Control room for fleets of proxies and tunnels',
}
export const viewport: Viewport = {
  width: 'device-width',
  initialScale: 1,
  themeColor: [
    { media: '(prefers-color-scheme: light)', color: '#f8f8f6' },
    { media: '(prefers-color-scheme: dark)', color: '#121416' },
  ],
}

export default async function RootLayout({ children }: { children: ReactNode }) {
  // Reading a header makes every page dynamic, so that Next's own scripts get this request's nonce.
  const nonce = (await headers()).get('x-nonce') ?? undefined
  return (
    <html lang="en" suppressHydrationWarning>
      <head>
        <ThemeScript nonce={nonce} />
      </head>
      <body>
        <Providers>{children}</Providers>
      </body>
    </html>
  )
}
