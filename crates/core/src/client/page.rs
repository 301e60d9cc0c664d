//! Reacts to what happens to the page: its network, its visibility, and the back/forward cache.

use super::Client;
use crate::codec::Codec;
use crate::input::PageEvent;
use crate::state::Why;
use crate::time::Instant;
use crate::timer::Timer;

impl<C: Codec> Client<C> {
    /// Takes an event of the page.
    pub fn handle_page(&mut self, now: Instant, event: PageEvent) {
        if self.is_closed() {
            return;
        }
        match event {
            // A stream that is paused because the page is hidden stays so, whatever happens to the network.
            PageEvent::Online => self.wake(now, true, false),
            PageEvent::Visible | PageEvent::Restored => {
                self.timers.cancel(Timer::Pause);
                self.wake(now, event == PageEvent::Restored, true);
            }
            PageEvent::Hidden => {
                // There may be no later opportunity: browsers end hidden pages without an event.
                self.flush(now);
                if let Some(delay) = self.config.pause_when_hidden {
                    self.timers.set(Timer::Pause, now.after(delay));
                }
            }
            PageEvent::Left => {
                self.flush(now);
                // An open stream keeps a page out of the back/forward cache, or is closed there without an event.
                self.pause(Why::Hidden);
            }
        }
    }
}
