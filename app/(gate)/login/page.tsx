import { GatePage } from '@/components/access/gate-page.tsx'
import { Login } from '@/components/access/login.tsx'

export default function LoginPage() {
  return (
    <GatePage title="Sign in" intro="The control room of your proxies and tunnels.">
      <Login />
    </GatePage>
  )
}
