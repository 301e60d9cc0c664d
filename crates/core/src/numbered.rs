//! Gives the variants of enums numbers, for the border between WebAssembly and JavaScript, which only numbers cross.

/// Declares an enum without data, and with it the numbers of its variants, from 0 in the order of their declaration.
///
/// `from_number` is the way back from a number. `ALL` has every variant with its name and its explanation, for code that is generated
/// from the enum. The macro is public for the crates of this workspace alone.
#[doc(hidden)]
#[macro_export]
macro_rules! numbered {
    (
        $(#[doc = $doc:literal])+
        pub enum $name:ident {
            $($(#[doc = $explanation:literal])+ $variant:ident,)+
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum $name {
            $($(#[doc = $explanation])+ $variant,)+
        }

        impl $name {
            /// Every variant with its name and its explanation, by number.
            #[doc(hidden)]
            pub const ALL: &'static [(Self, &'static str, &'static str)] =
                &[$((Self::$variant, stringify!($variant), concat!($($explanation),+))),+];

            /// Returns the variant of a number, which is `variant as u32`. There is none for a number of a later version.
            #[must_use]
            pub const fn from_number(number: u32) -> Option<Self> {
                $(if number == Self::$variant as u32 {
                    return Some(Self::$variant);
                })+
                None
            }
        }
    };
}
