/// Makes the enum and its texts.
macro_rules! units {
    ($($name:ident $text:literal,)*) => {
        /// A unit of CloudWatch.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Unit {
            $(
                #[doc = concat!("`", $text, "`.")]
                $name,
            )*
        }

        impl Unit {
            /// All units.
            #[cfg(test)]
            pub(super) const ALL: &[Self] = &[$(Self::$name,)*];

            /// The unit as CloudWatch writes it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

units! {
    Seconds "Seconds",
    Microseconds "Microseconds",
    Milliseconds "Milliseconds",
    Bytes "Bytes",
    Kilobytes "Kilobytes",
    Megabytes "Megabytes",
    Gigabytes "Gigabytes",
    Terabytes "Terabytes",
    Bits "Bits",
    Kilobits "Kilobits",
    Megabits "Megabits",
    Gigabits "Gigabits",
    Terabits "Terabits",
    Percent "Percent",
    Count "Count",
    BytesPerSecond "Bytes/Second",
    KilobytesPerSecond "Kilobytes/Second",
    MegabytesPerSecond "Megabytes/Second",
    GigabytesPerSecond "Gigabytes/Second",
    TerabytesPerSecond "Terabytes/Second",
    BitsPerSecond "Bits/Second",
    KilobitsPerSecond "Kilobits/Second",
    MegabitsPerSecond "Megabits/Second",
    GigabitsPerSecond "Gigabits/Second",
    TerabitsPerSecond "Terabits/Second",
    CountPerSecond "Count/Second",
    None "None",
}
