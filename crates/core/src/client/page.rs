//! What happens to the page around the client.

use super::Client;
use crate::codec::Codec;
use crate::input::PageEvent;
use crate::state::Why;
use crate::time::Instant;
use crate::timer::Timer;

impl<C: Codec> Client<C> {
    /// Takes what happened to the page.
    pub fn handle_page(&mut self, now: Instant, event: PageEvent) {
        if self.is_closed() {
            return;
        }
        match event {
            // A page that nobody looks at goes on resting, whatever its network does.
            PageEvent::Online => self.wake(now, true, false),
            PageEvent::Visible | PageEvent::Restored => {
                self.timers.cancel(Timer::Pause);
                self.wake(now, event == PageEvent::Restored, true);
            }
            PageEvent::Hidden => {
                // There may be no later moment: browsers end hidden pages without a word.
                self.flush(now);
                if let Some(delay) = self.config.pause_when_hidden {
                    self.timers.set(Timer::Pause, now.after(delay));
                }
            }
            PageEvent::Left => {
                self.flush(now);
                // An open stream keeps a page out of the back/forward cache, or would be cut there without notice.
                self.pause(Why::Hidden);
            }
        }
    }
}
