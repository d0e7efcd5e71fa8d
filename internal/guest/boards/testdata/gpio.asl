// A GPIO chip of eight lines for the amd64 guest, whose own hardware has none: the driver gpio-amdpt takes a page of memory, which the
// kernel is told to leave alone (memmap=), for the registers of one. gpio.aml is made of this by iasl (acpica-tools).
DefinitionBlock ("", "SSDT", 2, "XTLS", "GPIO", 1)
{
    Scope (\_SB)
    {
        Device (GPIO)
        {
            Name (_HID, "AMDF030")
            Name (_CRS, ResourceTemplate () { Memory32Fixed (ReadWrite, 0x3E000000, 0x1000) })
            Name (_DSD, Package ()
            {
                ToUUID ("daffd814-6eba-4d8c-8a91-bc9bbf4aa301"),
                Package () { Package () { "gpio-line-names", Package () { "GPIO27", "B", "C", "D", "E", "F", "G", "H" } } }
            })
        }
    }
}
